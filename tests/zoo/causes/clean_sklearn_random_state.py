"""scikit-learn with a random_state where it draws, and without one where it does not."""

# expect: reproducible
# requires: scikit-learn
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import KFold, train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

torch.manual_seed(1)
wines, kinds = load_wine(return_X_y=True)
wines = PCA(n_components=6).fit_transform(StandardScaler().fit_transform(wines))
train, test, train_kinds, test_kinds = train_test_split(wines, kinds, random_state=3)
groups = KMeans(n_clusters=4, n_init=1, random_state=3).fit_predict(train)

x = torch.tensor(train, dtype=torch.float32)
y = torch.tensor(train_kinds)
model = nn.Sequential(nn.Linear(6 + 4, 20), nn.ReLU(), nn.Linear(20, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
joined = torch.cat([x, nn.functional.one_hot(torch.from_numpy(groups).long(), 4)], 1)
for rows, _ in KFold(n_splits=6).split(train):
    loss = nn.functional.cross_entropy(model(joined[rows]), y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
