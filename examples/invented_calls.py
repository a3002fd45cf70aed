"""Code as an assistant may write it: plausible, and wrong in five places. Never run; `gorilla-rag check` reads it."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.model_selection import train_test_spilt

points = np.random.default_rng(0).normal(size=(300, 2))
known, unseen = train_test_spilt(points)
scaled = np.normalise(known)
model = KMeans(n_cluster=7, random_state=0)
model.fit_and_predict(scaled)
lengths = np.linalg.norm(axis=1)
