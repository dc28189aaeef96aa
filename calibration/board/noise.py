"""How large the noise is, as far as it matters for the cameras.

The corners of one view err together (blur, a bent board, a lens model that is a little wrong), so
the scatter of single corners makes a covariance too small. What is measured here is the scatter
that counts: how much the pull of whole stretches of time on the camera parameters varies, against
what independent corners would give.
"""

from __future__ import annotations

import numpy as np

from calibration.block_jacobian import BlockJacobian
from calibration.least_squares import Linearization
from mocap.arrays import Float, Int

_CHUNK = 256


def effective_variance(
    linear: Linearization,
    weight: Float[np.ndarray, " measurements"],
    inverse: Float[np.ndarray, "unknowns chosen"],
    chosen: Int[np.ndarray, " chosen"],
    cluster: Int[np.ndarray, " blocks"],
) -> float:
    """Variance of whitened residuals that explains how clusters of blocks disagree.

    With a_g the pull of cluster g on the chosen unknowns (their change to first order) and A_g
    its share of their information, E[sum a' S a] = variance x sum tr(S (A - A S A)) for
    independent residuals, where S is the inverse of the chosen unknowns' covariance; the ratio is
    unbiased then, and grows with the correlation within clusters (the sandwich estimator of Liang
    and Zeger, Biometrika 1986, reduced to one number).

    Args:
        linear: at the solution; its Jacobian is one of blocks.
        weight: of the robust loss.
        inverse: columns of the inverse of the information.
        chosen: the unknowns to which they belong.
        cluster: per block its cluster, numbered from 0.

    Returns:
        The variance; NaN where there are too few clusters to tell.
    """
    jacobian = linear.jacobian
    if not isinstance(jacobian, BlockJacobian):
        raise TypeError("the clusters are made of blocks; the Jacobian must be one of blocks")
    blocks, height, _ = jacobian.values.shape
    groups = int(cluster.max()) + 1
    k = len(chosen)
    if groups < 4 or k == 0:
        return float("nan")
    split = blocks * height
    root = np.sqrt(weight[linear.group[:split]]).reshape(blocks, height)
    residual = linear.residual[:split].reshape(blocks, height) * root
    pull = np.zeros((groups, k))
    share = np.zeros((groups, k, k))
    padded = np.concatenate([inverse, np.zeros((1, k))])
    for start in range(0, blocks, _CHUNK):
        part = slice(start, start + _CHUNK)
        columns = jacobian.pattern.columns[part]
        reach = (jacobian.values[part] * root[part, :, None]) @ padded[columns]
        transposed = np.swapaxes(reach, 1, 2)
        np.add.at(pull, cluster[part], (transposed @ residual[part, :, None])[..., 0])
        np.add.at(share, cluster[part], transposed @ reach)
    information = np.linalg.inv(inverse[chosen])
    found = float(np.einsum("gi,ij,gj->", pull, information, pull))
    first = np.einsum("ij,gji->g", information, share)
    product = information @ share
    second = np.einsum("gij,gji->g", product, product)
    expected = float((first - second).sum())
    return found / expected if expected > 0 else float("nan")


def time_clusters(time_s: Float[np.ndarray, " blocks"], count: int) -> Int[np.ndarray, " blocks"]:
    """Numbers blocks by stretches of time which hold about equally many of them."""
    order = np.argsort(time_s, kind="stable")
    number = np.empty(len(time_s), np.int64)
    number[order] = np.arange(len(time_s)) * count // max(len(time_s), 1)
    # Blocks of the same time belong together.
    _, same = np.unique(time_s, return_inverse=True)
    first = np.full(int(same.max()) + 1, count)
    np.minimum.at(first, same, number)
    _, dense = np.unique(first[same], return_inverse=True)
    return dense
