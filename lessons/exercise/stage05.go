package exercise

var stage05 = []Exercise{}
