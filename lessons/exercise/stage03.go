package exercise

var stage03 = []Exercise{}
