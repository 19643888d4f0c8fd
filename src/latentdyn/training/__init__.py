"""Gradient descent: the training loop, the likelihood of predictors, and the regimes they are trained in."""
