extension ParameterLayout {
    /// The parameters of a model under their Hugging Face names, in the order that `BlockParameters` reads them.
    package init(_ configuration: ModelConfiguration, head: HeadKind) {
        let c = configuration
        let (queryWidth, keyWidth) = (c.headCount * c.headSize, c.keyValueHeadCount * c.headSize)
        var specs = [
            ParameterSpec(name: "model.embed_tokens.weight", shape: [c.vocabularySize, c.hiddenSize], group: 0)
        ]
        for layer in 0..<c.layerCount {
            func add(_ name: String, _ shape: [Int]) {
                specs.append(ParameterSpec(name: "model.layers.\(layer).\(name)", shape: shape, group: layer + 1))
            }
            add("input_layernorm.weight", [c.hiddenSize])
            add("self_attn.q_proj.weight", [queryWidth, c.hiddenSize])
            add("self_attn.k_proj.weight", [keyWidth, c.hiddenSize])
            add("self_attn.v_proj.weight", [keyWidth, c.hiddenSize])
            if c.queryKeyValueBias {
                add("self_attn.q_proj.bias", [queryWidth])
                add("self_attn.k_proj.bias", [keyWidth])
                add("self_attn.v_proj.bias", [keyWidth])
            }
            add("self_attn.o_proj.weight", [c.hiddenSize, queryWidth])
            if c.outputBias { add("self_attn.o_proj.bias", [c.hiddenSize]) }
            add("post_attention_layernorm.weight", [c.hiddenSize])
            add("mlp.gate_proj.weight", [c.intermediateSize, c.hiddenSize])
            add("mlp.up_proj.weight", [c.intermediateSize, c.hiddenSize])
            add("mlp.down_proj.weight", [c.hiddenSize, c.intermediateSize])
        }
        let last = c.layerCount + 1
        specs.append(ParameterSpec(name: "model.norm.weight", shape: [c.hiddenSize], group: last))
        switch head {
        case .scalar: specs.append(ParameterSpec(name: "score.weight", shape: [1, c.hiddenSize], group: last))
        case .languageModel where !c.tiesEmbeddings:
            specs.append(ParameterSpec(name: "lm_head.weight", shape: [c.vocabularySize, c.hiddenSize], group: last))
        case .languageModel: break
        }
        self.init(specs: specs)
    }
}
