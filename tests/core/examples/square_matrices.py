"""Linear algebra of square matrices: x has the shape (batch, 3, 3)."""

import torch


def invertible(x: torch.Tensor) -> torch.Tensor:
    return x + 6 * torch.eye(x.shape[-1], dtype=x.dtype)


SQUARES = {
    "LinalgSolveEx": lambda a, b: torch.linalg.solve(invertible(a), b),
    "LinalgSolveEx, from the right": lambda a, b: torch.linalg.solve(invertible(a), b, left=False),
    "LinalgSolveEx, vector": lambda a, b: torch.linalg.solve(invertible(a[0]), b[0, 0]),
    "LinalgSolveTriangular": lambda a, b: torch.linalg.solve_triangular(invertible(a).triu(), b, upper=True),
    "LinalgLstsq": lambda a, b: torch.linalg.lstsq(invertible(a), b).solution,
    "CholeskySolve": lambda a, b: torch.cholesky_solve(a, invertible(b).tril()),
    "LinalgInvEx": lambda x: torch.linalg.inv(invertible(x)),
    "LinalgDet": lambda x: torch.linalg.det(invertible(x)),
    "LinalgSlogdet": lambda x: torch.linalg.slogdet(invertible(x))[1],
    "LinalgCross": lambda a, b: torch.linalg.cross(a, b),
    "LinalgMatrixExp": lambda x: torch.linalg.matrix_exp(x),
}
