"""Configuration values at which every architecture is tiny, as data.

`SMALL` has one value per field of transformers' configurations, for all models.
`OVERRIDES` has the further values that a single model needs, by its `model_type`.
"""

from typing import Any

PAD, BOS, EOS, MASK, FIRST_WORD, VOCABULARY = 0, 1, 2, 3, 8, 64  # 4 to 7 are special tokens of picture models
SIDE = 16  # of a picture, in pixels

SMALL: dict[str, Any] = {
    "num_labels": 3,
    # special tokens
    "pad_token_id": PAD, "pad_index": PAD, "mask_token_id": MASK,
    "bos_token_id": BOS, "cls_token_id": BOS, "decoder_start_token_id": BOS,
    "eos_token_id": EOS, "sep_token_id": EOS, "eod_token_id": EOS, "forced_eos_token_id": EOS,
    "image_token_id": 4, "image_token_index": 4, "boi_token_index": 5, "eoi_token_index": 6,
    "video_token_id": 7, "vision_start_token_id": 5, "vision_end_token_id": 6,
    # widths
    "vocab_size": VOCABULARY, "entity_vocab_size": 16,
    "hidden_size": 32, "d_model": 32, "n_embd": 32, "dim": 32, "emb_dim": 32, "embedding_size": 32,
    "pooler_hidden_size": 32, "word_embed_proj_dim": 32, "entity_emb_size": 32, "prediction_head_size": 32,
    "intermediate_size": 48, "d_ff": 48, "dff": 48, "d_inner": 48, "hidden_dim": 48, "ffn_dim": 48,
    "n_inner": 48, "ffn_hidden_size": 48, "feed_forward_size": 48,
    "encoder_ffn_dim": 48, "decoder_ffn_dim": 48,
    "moe_intermediate_size": 24, "shared_expert_intermediate_size": 24,
    # depth
    "num_hidden_layers": 2, "n_layer": 2, "n_layers": 2, "num_layers": 2, "num_decoder_layers": 2,
    "encoder_layers": 2, "decoder_layers": 2, "depth": 2,
    # attention
    "num_attention_heads": 4, "n_head": 4, "n_heads": 4, "num_heads": 4,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "num_key_value_heads": 2, "num_kv_heads": 2,
    "head_dim": 8, "d_kv": 8, "d_head": 8, "kv_channels": 8, "query_pre_attn_scalar": 8,
    "q_lora_rank": 12, "kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8,
    "sliding_window": 4, "local_attention": 4,
    # positions
    "max_position_embeddings": 64, "n_positions": 64, "max_seq_len": 64, "max_2d_position_embeddings": 64,
    # experts
    "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "n_shared_experts": 1,
    "num_experts_per_tok": 2, "moe_topk": 2, "n_group": 1, "topk_group": 1,
    # state spaces and linear attention
    "mamba_d_state": 4, "mamba_dt_rank": 4, "state_size": 4, "time_step_rank": 4,
    "linear_key_head_dim": 8, "linear_value_head_dim": 8,
    "linear_num_key_heads": 2, "linear_num_value_heads": 4,
    # pictures
    "image_size": SIDE, "patch_size": 4, "out_hidden_size": 32, "mm_tokens_per_image": 4,
}  # fmt: skip

OVERRIDES: dict[str, dict[str, Any]] = {
    # latent attention (q_lora_rank, kv_lora_rank) has no grouped keys; one layer is dense, one has experts
    "axk1": {"num_key_value_heads": 4},
    "axk2": {"num_key_value_heads": 4, "gated_norm_rank": 4,
             "index_n_heads": 2, "index_head_dim": 8, "index_topk": 4},
    "deepseek_v2": {"num_key_value_heads": 4, "first_k_dense_replace": 1},
    "deepseek_v3": {"num_key_value_heads": 4, "first_k_dense_replace": 1},
    "minicpm3": {"num_key_value_heads": 4},
    "mistral4": {"num_key_value_heads": 4, "first_k_dense_replace": 1},
    # sparse and local attention so small that it applies to a short sequence
    "big_bird": {"block_size": 2, "num_random_blocks": 1},
    "bigbird_pegasus": {"block_size": 2, "num_random_blocks": 1},
    "canine": {"num_hash_buckets": 16, "local_transformer_stride": 4, "type_vocab_size": 2},
    "doge": {"keep_window_size": 4},
    "funnel": {"block_sizes": [1, 1], "block_repeats": None, "num_decoder_layers": 1},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 4},
    "longformer": {"attention_window": 4},
    "nystromformer": {"num_landmarks": 3, "segment_means_seq_len": 9, "conv_kernel_size": 3},
    "reformer": {"axial_pos_shape": [8, 8], "axial_pos_embds_dim": [8, 24], "attention_head_size": 8,
                 "attn_layers": ["local", "lsh"], "num_buckets": 4,
                 "local_attn_chunk_length": 4, "lsh_attn_chunk_length": 4},
    # state spaces: chunks shorter than the sequence, and each kind of layer at least once
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "mamba2": {"num_heads": 8, "n_groups": 2, "chunk_size": 4},
    "minimax": {"block_size": 4},
    "rwkv": {"use_cache": False},  # with a cache RWKV overwrites tensors that its gradient needs
    "zamba": {"num_hidden_layers": 3, "layers_block_type": ["linear_attention", "hybrid", "hybrid"],
              "attention_hidden_size": 64, "attention_head_dim": 16},
    "zamba2": {"chunk_size": 4, "adapter_rank": 4, "mamba_headdim": 8, "n_mamba_heads": 8},
    # sizes that only one model has, or that must fit together
    "cohere_compass_text": {
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]},
            "full_attention": None,
        },
    },
    "esmc": {"num_key_value_heads": 4},
    "gptj": {"rotary_dim": 4},
    "layoutlmv3": {"coordinate_size": 6, "shape_size": 4, "input_size": SIDE},
    "lilt": {"hidden_size": 48, "channel_shrink_ratio": 4},
    "markuplm": {"max_xpath_tag_unit_embeddings": 16, "max_xpath_subs_unit_embeddings": 16, "max_depth": 4,
                 "tag_pad_id": 15, "subs_pad_id": 15, "xpath_unit_hidden_size": 8},
    "mobilebert": {"intra_bottleneck_size": 16, "embedding_size": 16},
    "mvp": {"prompt_length": 4, "prompt_mid_dim": 16},
    "perceiver": {"num_latents": 4, "d_latents": 16, "num_self_attends_per_block": 2,
                  "num_self_attention_heads": 4, "num_cross_attention_heads": 4},
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 16},
    "roc_bert": {"pronunciation_vocab_size": VOCABULARY, "pronunciation_embed_dim": 16,
                 "shape_vocab_size": VOCABULARY, "shape_embed_dim": 16},
    "smollm3": {"no_rope_layer_interval": 2},
    "t5": {"decoder_start_token_id": PAD},
    "xmod": {"default_language": "en_XX"},
    # pictures
    "convnext": {"hidden_sizes": [8, 12, 16], "depths": [1, 1, 1], "num_stages": 3},
    "resnet": {"embedding_size": 8, "hidden_sizes": [8, 12, 16, 24], "depths": [1, 1, 1, 1]},
    "swin": {"embed_dim": 8, "depths": [2, 2], "num_heads": [2, 2], "window_size": 2, "patch_size": 2},
}  # fmt: skip
