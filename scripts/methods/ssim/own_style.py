"""The style that an image has, found by what the generator makes of it (not in the paper)."""

import torch
from torch import Tensor
from torch.optim import Adam

from .network import SsimNet, StyleCode

_STEP = 0.1


def fitted_style(image: Tensor, network: SsimNet, steps: int) -> StyleCode:
    """The style with which the network redraws an image (1, 1, X, Y, Z) best, in so many `steps` from the encoder's.

    The encoder guesses the style of a scanner that it was not trained on, or of a person, with an error; a line from
    what the generator makes with a wrong style to the target would carry that error into the result.
    """
    with torch.inference_mode(False), torch.enable_grad():
        # Neither tensors of inference nor the weights take part in the gradients.
        image = image.clone()
        with torch.no_grad():
            structure, found = network.structure(image), network.style(image)
        noise, labels = (part.float().clone().requires_grad_() for part in (found.mean, found.labels))
        optimizer, shown = Adam([noise, labels], lr=_STEP), image > 0
        for _ in range(steps):
            error = (network.generate(structure, noise, labels, shown) - image)[shown].abs().mean()
            noise.grad, labels.grad = torch.autograd.grad(error, [noise, labels])
            optimizer.step()
    return StyleCode(noise.detach(), labels.detach())
