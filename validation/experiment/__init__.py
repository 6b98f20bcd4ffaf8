"""The experiment: predict, train and kill, compare, and say whether the predictions hold."""
