"""What the UNet of Kandinsky 2.0 is told: the states of two text encoders, as one sequence and as
one vector beside the time embedding.

In the original these layers belong to the UNet's class (github.com/ai-forever/Kandinsky-2,
kandinsky2/model/text2im_model.py).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput
from torch import nn


@dataclass
class KandinskyV20TextProjectionOutput(BaseOutput):  # type: ignore[misc]
    """Arguments of the UNet.

    Args:
        encoder_hidden_states: [B, L1 + L2, cross_attention_dim], the first encoder's states first.
        class_labels: [B, time_embed_dim], added to the time embedding.
    """

    encoder_hidden_states: torch.Tensor
    class_labels: torch.Tensor


class KandinskyV20FirstTokenPooling(nn.Module):
    """Attention of the first token over all tokens, padding included: there is no mask.

    Args:
        width: of the states.
        out_width: of the pooled vector.
        heads: a divisor of `width`.
    """

    def __init__(self, width: int, out_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.to_out = nn.Linear(width, out_width)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """[B, L, width] -> [B, out_width]."""
        # The other tokens' answers are not used, so they are not asked.
        query = self._split(self.to_q(states[:, :1]))
        key, value = self._split(self.to_k(states)), self._split(self.to_v(states))
        pooled = F.scaled_dot_product_attention(query, key, value)  # [B, heads, 1, width / heads]
        out: torch.Tensor = self.to_out(pooled.flatten(1))
        return out

    def _split(self, tensor: torch.Tensor) -> torch.Tensor:
        rows, length, width = tensor.shape
        return tensor.view(rows, length, self.heads, width // self.heads).transpose(1, 2)


class KandinskyV20TextProjection(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Projects the results of both text encoders to what the UNet takes.

    Args:
        text_dim: width of the first encoder's states.
        pooled_dim: width of the first encoder's pooled output.
        text_dim_2: width of the second encoder's states.
        cross_attention_dim: that of the UNet.
        time_embed_dim: width of the UNet's time embedding, 4 x its first channels.
        pooling_heads: heads of the attention that pools the second encoder's states.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        text_dim: int = 1024,
        pooled_dim: int = 640,
        text_dim_2: int = 512,
        cross_attention_dim: int = 768,
        time_embed_dim: int = 1536,
        pooling_heads: int = 8,
    ) -> None:
        super().__init__()
        self.states_proj = nn.Linear(text_dim, cross_attention_dim)
        self.states_proj_2 = nn.Linear(text_dim_2, cross_attention_dim)
        self.states_norm = nn.LayerNorm(cross_attention_dim)
        self.pooled_proj = nn.Linear(pooled_dim, time_embed_dim)
        self.pooled_norm = nn.LayerNorm(time_embed_dim)
        self.pool_2 = KandinskyV20FirstTokenPooling(text_dim_2, time_embed_dim, pooling_heads)
        self.pooled_norm_2 = nn.LayerNorm(time_embed_dim)

    def forward(
        self,
        prompt_embeds: torch.Tensor,
        prompt_embeds_2: torch.Tensor,
        pooled_prompt_embeds: torch.Tensor,
        return_dict: bool = True,
    ) -> KandinskyV20TextProjectionOutput | tuple[torch.Tensor, torch.Tensor]:
        """Project.

        Args:
            prompt_embeds: states of the first encoder, [B, L1, text_dim].
            prompt_embeds_2: states of the second encoder, [B, L2, text_dim_2].
            pooled_prompt_embeds: pooled output of the first encoder, [B, pooled_dim].
            return_dict: whether an output object is returned, or a tuple.
        """
        both = [self.states_proj(prompt_embeds), self.states_proj_2(prompt_embeds_2)]
        states = self.states_norm(torch.cat(both, dim=1))
        added = self.pooled_norm(self.pooled_proj(pooled_prompt_embeds))
        added = added + self.pooled_norm_2(self.pool_2(prompt_embeds_2))
        if not return_dict:
            return states, added
        return KandinskyV20TextProjectionOutput(encoder_hidden_states=states, class_labels=added)
