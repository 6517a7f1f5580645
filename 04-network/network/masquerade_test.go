//go:build linux

package network_test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"containerkit/04-network/network"
	"containerkit/04-network/network/internet"
	"containerkit/lessons/exercise/claim"
	"containerkit/lessons/exercise/room"
	"containerkit/lessons/kit/errno"
)

type masked struct {
	Lacking       string // why it cannot be tried here
	Rules         string // as the kernel has them
	Before, After string // the container calls a server in the internet
}

var masking = room.New("masquerade", unix.CLONE_NEWNET, func(m *masked) error {
	if m.Lacking = translating(); m.Lacking != "" {
		return nil
	}
	web, err := attach("web", "10.88.0.2/24")
	if err != nil {
		return err
	}
	out, err := hold()
	if err != nil {
		return err
	}
	if err := internet.Connect(out); err != nil {
		return err
	}
	if err := serve(out, ":80", "the server"); err != nil {
		return err
	}
	m.Before = call(web, internet.Server.Addr().String()+":80")
	if err := network.Masquerade(network.Default); err != nil {
		return err
	}
	m.After = call(web, internet.Server.Addr().String()+":80")
	m.Rules = rules()
	return nil
})

// The internet answers the container, because it sees the host's address and nothing else.
func TestMasquerade(t *testing.T) {
	saw, err := masking.Run(t)
	if saw.Lacking != "" {
		t.Skip(saw.Lacking)
	}
	claim.State(t, "errno", errno.Outcome(err))
	claim.State(t, "rules", saw.Rules)
	claim.State(t, "the container's call", saw.After)
	claim.NoError(t, "the kernel takes the rules", err)
	claim.Equal(t, "without a rule, no answer comes back from the internet", "a TCP connection", "no answer", saw.Before)
	claim.Equal(t, "with the rule the server answers, and sees the host's address", "a TCP connection", "the server sees 203.0.113.1", saw.After)
	for _, condition := range []string{"ip saddr 10.88.0.0/24", `oifname != "containerkit0"`} {
		claim.True(t, "the rule is for packets from the bridge's subnet that do not stay on the bridge", "the rules as the kernel has them",
			strings.Contains(saw.Rules, condition), condition, saw.Rules)
	}
	_, behind, _ := strings.Cut(saw.Rules, "masquerade")
	claim.True(t, "the rule asks first, and acts last", "the rules as the kernel has them", behind == "", "… masquerade", saw.Rules)
	claim.True(t, "it has counted the container's call", "the rules as the kernel has them",
		strings.Contains(saw.Rules, "counter packets 1 masquerade"), "counter packets 1 masquerade", saw.Rules)
}
