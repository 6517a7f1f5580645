package exercise

var stage01 = []Exercise{}
