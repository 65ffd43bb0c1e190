"""What Qwen2.5-VL reads: texts and pictures, without torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import Qwen2VLProcessor


class PicturesAndText(Qwen2VLProcessor):  # type: ignore[misc]
    """Qwen's processor without videos: these alone want torchvision, and Kandinsky 5 image never
    shows any. transformers reads the parts off this signature (ProcessorMixin.get_attributes), so
    that it loads from any folder of Qwen2VLProcessor and Qwen2_5_VLProcessor.
    """

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None
    ) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        super(Qwen2VLProcessor, self).__init__(
            image_processor, tokenizer, chat_template=chat_template
        )

    @classmethod
    def of_folder(cls, folder: Path) -> PicturesAndText:
        """The processor of a checkpoint's `tokenizer/`; its code is not run."""
        found: PicturesAndText = cls.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        return found
