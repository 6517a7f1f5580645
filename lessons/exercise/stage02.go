package exercise

var stage02 = []Exercise{}
