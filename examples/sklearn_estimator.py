"""A network as a scikit-learn estimator: it works in pipelines, cross-validation and grid searches.

An estimator keeps its arguments under their own names, learns in `fit`, and keeps what it has learned
under names that end with an underscore. That is all that scikit-learn asks, so the class below is a
recipe rather than a dependency.

Run it with `wengert run examples/sklearn_estimator.py`, or with `python` where PyTorch is installed.
It needs scikit-learn.
"""

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """A network with one hidden layer, trained with AdamW."""

    def __init__(self, hidden=32, lr=0.01, weight_decay=0.01, epochs=15, batch_size=32, seed=0):
        self.hidden, self.lr, self.weight_decay = hidden, lr, weight_decay
        self.epochs, self.batch_size, self.seed = epochs, batch_size, seed

    def fit(self, X, y):
        torch.manual_seed(self.seed)
        self.classes_, labels = np.unique(y, return_inverse=True)
        self.n_features_in_ = X.shape[1]
        self.model_ = nn.Sequential(
            nn.Linear(X.shape[1], self.hidden),
            nn.ReLU(),
            nn.Linear(self.hidden, len(self.classes_)),
        )
        data = TensorDataset(torch.tensor(X, dtype=torch.float32), torch.tensor(labels))
        loader = DataLoader(data, self.batch_size, shuffle=True)
        optimizer = torch.optim.AdamW(
            self.model_.parameters(), self.lr, weight_decay=self.weight_decay
        )
        for _ in range(self.epochs):
            for inputs, targets in loader:
                optimizer.zero_grad()
                nn.functional.cross_entropy(self.model_(inputs), targets).backward()
                optimizer.step()
        return self

    @torch.no_grad()
    def predict_proba(self, X):
        return self.model_(torch.tensor(X, dtype=torch.float32)).softmax(1).numpy()

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(1)]


X, y = load_digits(return_X_y=True)
train_X, test_X, train_y, test_y = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
print("images:", train_X.shape, "labels:", *np.unique(train_y))

pipeline = make_pipeline(StandardScaler(), NetworkClassifier(epochs=5))
scores = cross_val_score(pipeline, train_X, train_y, cv=3)
print("accuracy in three folds above 0.9:", (scores > 0.9).all())

search = GridSearchCV(pipeline, {"networkclassifier__hidden": [2, 32]}, cv=3)
search.fit(train_X, train_y)
print("best:", search.best_params_)

best = search.best_estimator_.set_params(networkclassifier__epochs=15).fit(train_X, train_y)
print("accuracy on unseen images above 0.95:", best.score(test_X, test_y) > 0.95)
print("the first ones:", best.predict(test_X[:10]), "in truth", test_y[:10])
p = best.predict_proba(test_X[:3])
print("most probable:", p.max(1).round(2), "sums:", p.sum(1).round(5))
