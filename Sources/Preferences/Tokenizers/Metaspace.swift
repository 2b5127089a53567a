import Coding

/// SentencePiece's visible space: every space becomes `replacement`, and one is put before a text.
struct Metaspace: Sendable {
    enum PrependScheme: String { case always, first, never }

    let replacement: [UInt8]
    let scheme: PrependScheme

    init(_ field: JSONField) throws {
        replacement = Array(try field.required("replacement").scalar().utf8)
        if let scheme = field["prepend_scheme"] {
            guard let known = PrependScheme(rawValue: try scheme.string()) else {
                throw scheme.unsupported(try scheme.string().quoted, "always, first and never are")
            }
            self.scheme = known
        } else {
            // Files from before `prepend_scheme` have this switch instead.
            scheme = try field.flag("add_prefix_space", default: true) ? .always : .never
        }
    }

    func apply(to text: inout PreTokenizedText) throws(TextError) {
        let startsText = text.startsText
        try text.rewrite { piece, isFirst, output in
            let prepends = scheme == .always || (scheme == .first && isFirst && startsText)
            if prepends && piece.first != UInt8(ascii: " ") && !piece.starts(with: replacement) {
                output += replacement
            }
            for byte in piece {
                if byte == UInt8(ascii: " ") { output += replacement } else { output.append(byte) }
            }
        }
    }
}
