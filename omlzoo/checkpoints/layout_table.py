"""The table of key layouts: how the keys of each family of checkpoints become those of the zoo, which are timm's.

A layout keeps the keys that start with its prefix, drops those that do not belong to the extractor, and renames whole
keys by patterns. Prefixes are matched at the start of a key, never replaced inside one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from omlzoo.checkpoints import key_renames

__all__ = ["LAYOUTS", "PLAIN", "TIMM", "Layout"]

TIMM = "timm"  # the layout of files whose keys are those of the installed timm
PLAIN = ""  # in ``containers``, it means that the file itself is the state dict


@dataclass(frozen=True)
class Layout:
    """The key layout of the checkpoints of one family.

    Attributes:
        of: Projects or libraries whose files have this layout.
        marks: Patterns that must each match at least one key of the state dict for the layout to be recognised;
            ``|`` separates alternatives, and ``*`` at the start stands for a prefix, "module." or nothing.
            A layout without marks is never recognised, only named.
        absent: Patterns that must not match any key for the layout to be recognised.
        containers: Keys of the file that may hold the state dict, tried in order.
        prefixes: Prefixes of the extractor's keys, tried in order. The first one that any key has is removed, and keys
            without it are dropped.
        drop: Patterns of keys, without the prefix, that do not belong to the extractor.
        rename: Renames of the remaining keys, in the patterns of :mod:`omlzoo.checkpoints.key_renames`.
        finish: A function for changes that renaming cannot express, applied last; None if there are none.
    """

    of: str
    marks: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    containers: tuple[str, ...] = (PLAIN,)
    prefixes: tuple[str, ...] = ("",)
    drop: tuple[str, ...] = ()
    rename: key_renames.Names = ()
    finish: Callable[[key_renames.State], key_renames.State] | None = None


CLASSIFIERS = ("fc.*", "head.*", "classifier.*", "last_linear.*")  # what others call the layer that names classes
TEACHER_PREFIXES = ("module.backbone.", "backbone.")

LAYOUTS: dict[str, Layout] = {
    "torchvision_resnet": Layout("torchvision and timm", ("layer4.*", "|".join(CLASSIFIERS)), drop=CLASSIFIERS),
    "resnet_backbone": Layout(
        "DINO's ResNet-50, Barlow Twins, VICReg", ("conv1.weight", "layer4.*"), absent=CLASSIFIERS
    ),
    "simclr_resnet": Layout(
        "SimCLR, converted from TensorFlow", ("conv1.weight", "layer4.*"), containers=("state_dict",), drop=("fc.*",)
    ),
    "moco_resnet": Layout(
        "MoCo v1, MoCo v2, PCL", ("module.encoder_q.layer4.*",), containers=("state_dict",),
        prefixes=("module.encoder_q.",), drop=("fc.*",),
    ),
    "moco_v3": Layout(
        "MoCo v3", ("module.base_encoder.*",), containers=("state_dict",),
        prefixes=("module.base_encoder.",), drop=("fc.*", "head.*"),
    ),
    "swav_resnet": Layout(
        "SwAV, DeepCluster v2, SeLa v2", ("module.layer4.*", "module.projection_head.*|module.prototypes*"),
        containers=("state_dict", PLAIN), prefixes=("module.",), drop=("projection_head.*", "prototypes*"),
    ),
    "solo_learn": Layout(
        "solo-learn", ("backbone.*", "momentum_*|projector.*|predictor.*|classifier.*"), containers=("state_dict",),
        prefixes=("backbone.",), drop=("fc.*", "head.*"),
    ),
    "solo_learn_old": Layout(
        "solo-learn before its encoder was named backbone", ("encoder.*", "momentum_*|projector.*|classifier.*"),
        absent=("backbone.*",), containers=("state_dict",), prefixes=("encoder.",), drop=("fc.*", "head.*"),
    ),
    "lightly": Layout(
        "Lightly", ("backbone.*", "projection_head*|prediction_head*|online_classifier.*|student_*|prototypes.*"),
        containers=("state_dict",), prefixes=("backbone.",), drop=("fc.*", "head.*"),
    ),
    TIMM: Layout(
        "timm's own training and all of its models",
        containers=("state_dict", "model", "state_dict_ema", "model_ema", PLAIN), prefixes=("module.", ""),
    ),
    "efficientnet_lite": Layout(
        "EfficientNet in PyTorch's first ports of it", ("_conv_stem.weight", "_blocks.0._depthwise_conv.weight"),
        drop=("_fc.*",), finish=key_renames.stages_of_blocks,
    ),
    "timm_vit": Layout(
        "timm, DINO v1", ("cls_token", "blocks.0.attn.qkv.weight"),
        absent=("mask_token", "storage_tokens", "norm_pre.*"), drop=CLASSIFIERS,
    ),
    "timm_clip": Layout(
        "timm's CLIP towers", ("cls_token", "norm_pre.*", "blocks.0.attn.qkv.weight"), finish=key_renames.clip_head
    ),
    "timm_siglip": Layout("timm's SigLIP towers", ("attn_pool.latent", "blocks.0.*"), absent=("cls_token",)),
    "timm_dinov3": Layout("timm's DINOv3", ("cls_token", "reg_token", "blocks.0.gamma_1"), drop=("head.*",)),
    "dino_vit_full": Layout(
        "DINO v1 and iBOT, training checkpoints", ("*backbone.cls_token", "*head.last_layer.*"),
        absent=("*mask_token",), containers=("teacher",), prefixes=TEACHER_PREFIXES, drop=("masked_embed",),
    ),
    "ibot_vit": Layout(
        "iBOT, backbone file", ("*cls_token", "*blocks.0.attn.qkv.weight"),
        absent=(
            "*criterion.*", "module.base_encoder.*", "*extractor.*", "model.*", "momentum_*", "projector.*",
            "classifier.*", "projection_head*", "student_*", "head.weight",
        ),
        containers=("state_dict",),
        prefixes=(*TEACHER_PREFIXES, "module.", ""), drop=("masked_embed", "head.*"),
    ),
    "msn_vit": Layout(
        "MSN", ("*cls_token", "*blocks.0.attn.qkv.weight"), containers=("target_encoder",),
        prefixes=("module.", ""), drop=("fc.*", "pred.*", "head.*"),
    ),
    "mae_vit": Layout(
        "MAE", ("cls_token", "blocks.0.attn.qkv.weight"), absent=("head.weight",), containers=("model",),
        drop=("decoder_*", "mask_token", "head.*"),
    ),
    "dinov2_vit": Layout(
        "DINOv2", ("cls_token", "mask_token", "blocks.0.ls1.gamma"), absent=("storage_tokens",),
        drop=("mask_token",), rename=key_renames.DINOV2_NAMES, finish=key_renames.split_registers,
    ),
    "dinov2_vit_full": Layout(
        "DINOv2, training checkpoint", ("backbone.mask_token", "backbone.cls_token"), containers=("teacher",),
        prefixes=("backbone.",), drop=("mask_token",),
        rename=key_renames.DINOV2_NAMES, finish=key_renames.split_registers,
    ),
    "dinov3_vit": Layout(
        "DINOv3", ("cls_token", "storage_tokens", "rope_embed.periods"),
        drop=("mask_token", "*.periods", "*.bias_mask", "local_cls_norm*"),
        rename=(
            ("storage_tokens", "reg_token"),
            ("blocks.#.ls1.gamma", "blocks.#.gamma_1"),
            ("blocks.#.ls2.gamma", "blocks.#.gamma_2"),
            ("blocks.#.mlp.w1.*", "blocks.#.mlp.fc1_g.*"),
            ("blocks.#.mlp.w2.*", "blocks.#.mlp.fc1_x.*"),
            ("blocks.#.mlp.w3.*", "blocks.#.mlp.fc2.*"),
        ),
        finish=key_renames.no_attention_bias,
    ),
    "transformers_dinov2": Layout(
        "transformers' Dinov2Model",
        ("*encoder.layer.0.attention.attention.query.weight", "*encoder.layer.0.layer_scale1.lambda1"),
        prefixes=("dinov2_with_registers.", "dinov2.", ""), drop=("embeddings.mask_token", "classifier.*"),
        rename=(
            *key_renames.TRANSFORMERS_NAMES,
            ("encoder.layer.#.layer_scale1.lambda1", "blocks.#.ls1.gamma"),
            ("encoder.layer.#.layer_scale2.lambda1", "blocks.#.ls2.gamma"),
            ("encoder.layer.#.mlp.weights_in.*", "blocks.#.mlp.fc1.*"),
            ("encoder.layer.#.mlp.weights_out.*", "blocks.#.mlp.fc2.*"),
            ("encoder.layer.#.*", "blocks.#.*"),
        ),
        finish=key_renames.join_attention,
    ),
    "transformers_vit": Layout(
        "transformers' ViTModel",
        ("*encoder.layer.0.attention.attention.query.weight", "*encoder.layer.0.layernorm_before.weight"),
        prefixes=("vit.", ""), drop=("pooler.*", "classifier.*", "embeddings.mask_token"),
        rename=(
            *key_renames.TRANSFORMERS_NAMES,
            ("encoder.layer.#.layernorm_before.*", "blocks.#.norm1.*"),
            ("encoder.layer.#.layernorm_after.*", "blocks.#.norm2.*"),
            ("encoder.layer.#.intermediate.dense.*", "blocks.#.mlp.fc1.*"),
            ("encoder.layer.#.output.dense.*", "blocks.#.mlp.fc2.*"),
        ),
        finish=key_renames.join_attention,
    ),
    "torchvision_vit": Layout(
        "torchvision's VisionTransformer", ("class_token", "encoder.layers.encoder_layer_0.*"), drop=("heads.*",),
        rename=key_renames.TORCHVISION_NAMES,
    ),
    "clip": Layout(
        "CLIP, open_clip, ruCLIP", ("visual.conv1.weight", "visual.transformer.resblocks.0.*"),
        prefixes=("visual.",), rename=key_renames.CLIP_NAMES, finish=key_renames.clip_head,
    ),
    "open_clip_timm": Layout(
        "open_clip with a tower of timm: SigLIP", ("visual.trunk.*",), prefixes=("visual.",),
        rename=(("trunk.*", "*"), ("head.proj.*", "head.*")),
    ),
    "clip_reid": Layout(
        "CLIP-ReID's ViT, stage two", ("*image_encoder.conv1.weight", "*image_encoder.transformer.resblocks.0.*"),
        prefixes=("module.", ""),
        drop=("cv_embed", "classifier*", "bottleneck*", "prompt_learner.*", "text_encoder.*"),
        rename=(
            *((f"image_encoder.{old}", new) for old, new in key_renames.CLIP_NAMES), ("image_encoder.proj", "proj"),
        ),
        finish=key_renames.clip_head,
    ),
    "transreid": Layout(
        "TransReID's baseline, without its jigsaw branch",
        ("*base.cls_token", "*base.blocks.0.*", "*bottleneck.weight"),
        absent=("*b1.0.*",), prefixes=("module.", ""),
        drop=("base.sie_embed", "base.fc.*", "classifier*", "bottleneck*"), rename=(("base.*", "*"),),
    ),
    "transformers_clip": Layout(
        "transformers' CLIPModel",
        ("vision_model.encoder.layers.0.self_attn.q_proj.weight", "visual_projection.weight"),
        drop=("text_model.*", "text_projection.*", "logit_scale", "vision_model.embeddings.position_ids"),
        rename=key_renames.TRANSFORMERS_CLIP_NAMES, finish=key_renames.transformers_clip,
    ),
    "unicom": Layout("UNICOM", ("feature.0.weight", "feature.3.running_mean", "blocks.0.attn.qkv.weight")),
    "swin": Layout(
        "Swin transformers of timm and Microsoft", ("layers.0.blocks.0.attn.relative_position_bias_table",),
        drop=("head.*", "*.relative_position_index", "*.attn_mask"), finish=key_renames.shift_merging,
    ),
    "oml_vit": Layout(
        "Open Metric Learning",
        ("*cls_token|*model.cls_token", "*criterion.weight|*model.cls_token|extractor.model.cls_token"),
        absent=("*projection.0.*",),
        containers=("state_dict", PLAIN), prefixes=("extractor.model.", "module.model.", "model.", ""),
        drop=("criterion.*",),
    ),
    "oml_vit_mlp": Layout(
        "Open Metric Learning with a projection", ("*extractor.model.cls_token", "*projection.0.weight"),
        containers=("state_dict", PLAIN), prefixes=("module.model.", "model.", "module.", ""),
        drop=("criterion.*",), rename=(("extractor.model.*", "*"), ("projection.0.*", "head.*")),
    ),
}  # fmt: skip
