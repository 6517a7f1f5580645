package exercise

var stage04 = []Exercise{}
