package narrate

import (
	"sort"
)

// OldBefore is to be replaced by Control.
func (n *Narrator) OldBefore(text string, data Data) {
	var rows []Row
	for k, v := range data {
		rows = append(rows, Show(k, v))
	}
	sort.Slice(rows, func(i, j int) bool { return rows[i].Label < rows[j].Label })
	n.Control(text, rows...)
}

// OldEvidence is to be replaced by Evidence.
func (n *Narrator) OldEvidence(where string, value any) { n.Evidence(Show(where, value)) }

// OldProof is to be replaced by Proof.
func (n *Narrator) OldProof(claim string, ok bool, got, control any) {
	n.Proof(claim, ok, Compare("measured", got, "without it", control))
}
