/// How rows of preference data are laid out (`data.format`).
package enum DataFormat: String, Sendable, Codable, CaseIterable {
    /// Decided for each file from the keys of its first row that has known ones.
    case auto
    /// `{prompt, chosen, rejected}`.
    case pairs
    /// Anthropic HH: `{chosen, rejected}`, two whole dialogues that differ in the last assistant turn.
    case hh
    /// `{prompt, response, chosen, rejected}`: `response` repeats one of the others and is not read.
    case dahoas
    /// OpenAI summarisation comparisons: `{info: {subreddit, title, post}, summaries: [{text}, {text}], choice}`.
    case tldr
    /// `{chosen, rejected}` as arrays of `{role, content}`, with an optional `prompt` (an array or a text).
    case messages
    /// `{query or prompt, responses[]}` and, where they are scored, `scores[]`.
    case lists
    /// `{prompt, completion, label}`; prompt and completion may be arrays of `{role, content}`.
    case kto
    /// `{question, chosen, rejected}` and, where there is one, `system`, as in Orca's DPO pairs.
    case questions
    /// `{instruction, input}` with `chosen` and `rejected`, or with `output`: two texts, the better first, or one. A
    /// `history` of `[question, answer]` comes before.
    case alpaca
    /// `{conversations}` of `{from, value}`, with `chosen` and `rejected` messages, a `label` or `kto_tag`, or nothing.
    case sharegpt
    /// `{messages}` that end in the better response, with `rejected_response` or `rejected_messages`, a `label`, or nothing.
    case swift
    /// UltraFeedback before it was binarized: `{instruction, completions: [{response, overall_score}]}`.
    case ultrafeedback
    /// HelpSteer2's preferences: `{prompt, response_1, response_2, preference_strength}`, positive for the second.
    case helpsteer2
    /// HelpSteer3: `{context, response1, response2, overall_preference}`, positive for the second.
    case helpsteer3
    /// PKU-SafeRLHF: `{prompt, response_0, response_1, better_response_id}`.
    case saferlhf
    /// Stanford Human Preferences: `{history, human_ref_A, human_ref_B, labels}`, 1 for A.
    case shp
    /// Nectar: `{prompt, answers: [{answer, rank}]}`, rank 1 is the best.
    case nectar
    /// NeMo-RL: `{context, completions: [{rank, completion}]}`, rank 0 is the best.
    case nemo
    /// `{prompt, completion}`: a response to learn from, by which nothing is compared.
    case demonstrations

    static let unrecognised = "fit no known data format"
    static let ambiguous = "fit several data formats"
    static var named: String { allCases.filter { $0 != .auto }.map(\.rawValue).joined(separator: ", ") }

    /// What a row of a format has. Several of one format are alternatives, and stand together.
    private struct Signature: Sendable {
        let format: DataFormat
        /// Arrays, others (texts, objects, numbers), and either.
        var arrays: Set<String> = []
        var others: Set<String> = []
        var either: Set<String> = []
        /// Responses that nothing is compared with: a row that can be compared is read so.
        var isDemonstration = false
    }

    private static let signatures = [
        Signature(format: .pairs, others: ["chosen", "rejected"], either: ["prompt"]),
        Signature(format: .hh, others: ["chosen", "rejected"]),
        Signature(format: .dahoas, others: ["chosen", "rejected", "response"], either: ["prompt"]),
        Signature(format: .tldr, either: ["summaries", "choice"]),
        Signature(format: .messages, arrays: ["chosen", "rejected"]),
        Signature(format: .lists, either: ["responses"]),
        Signature(format: .kto, either: ["completion", "label"]),
        Signature(format: .questions, others: ["question", "chosen", "rejected"]),
        Signature(format: .alpaca, others: ["instruction", "chosen", "rejected"]),
        Signature(format: .alpaca, others: ["instruction", "output", "kto_tag"]),
        Signature(format: .alpaca, arrays: ["output"], others: ["instruction"]),
        Signature(format: .alpaca, others: ["instruction", "output"], isDemonstration: true),
        Signature(format: .sharegpt, arrays: ["conversations"], others: ["chosen", "rejected"]),
        Signature(format: .sharegpt, arrays: ["messages"], others: ["chosen", "rejected"]),
        Signature(format: .sharegpt, arrays: ["conversations"], others: ["kto_tag"]),
        Signature(format: .sharegpt, arrays: ["conversations"], others: ["label"]),
        Signature(format: .sharegpt, arrays: ["conversations"], isDemonstration: true),
        Signature(format: .swift, arrays: ["messages"], others: ["rejected_response"]),
        Signature(format: .swift, arrays: ["messages", "rejected_messages"]),
        Signature(format: .swift, arrays: ["messages"], others: ["label"]),
        Signature(format: .swift, arrays: ["messages"], isDemonstration: true),
        Signature(format: .ultrafeedback, arrays: ["completions"], others: ["instruction"]),
        Signature(format: .helpsteer2, either: ["prompt", "response_1", "response_2", "preference_strength"]),
        Signature(format: .helpsteer3, either: ["context", "response1", "response2", "overall_preference"]),
        Signature(format: .saferlhf, either: ["prompt", "response_0", "response_1", "better_response_id"]),
        Signature(format: .shp, either: ["history", "human_ref_A", "human_ref_B", "labels"]),
        Signature(format: .nectar, arrays: ["answers"], either: ["prompt"]),
        Signature(format: .nemo, arrays: ["completions"], either: ["context"]),
        Signature(format: .demonstrations, either: ["prompt", "completion"], isDemonstration: true),
    ]

    /// The fields by which formats are told apart.
    static var fieldNames: Set<String> {
        signatures.reduce(into: []) { $0.formUnion($1.arrays.union($1.others).union($1.either)) }
    }

    /// A signature as sets of bits: every row is compared with all of them.
    private struct Mask: Sendable {
        let format: DataFormat
        let arrays, others, either: UInt64
        let isDemonstration: Bool
        var fields: UInt64 { arrays | others | either }
        /// The masks whose fields are among these and not all of them, a bit each.
        var contained: UInt64 = 0

        init(_ signature: Signature) {
            (format, isDemonstration) = (signature.format, signature.isDemonstration)
            arrays = KnownFields.bits(of: signature.arrays)
            others = KnownFields.bits(of: signature.others)
            either = KnownFields.bits(of: signature.either)
        }

        func fits(_ row: KnownFields) -> Bool {
            arrays & ~row.arrays == 0 && others & ~row.others == 0 && either & ~row.all == 0
        }
    }

    private static let masks: [Mask] = {
        precondition(signatures.count <= 64, "a bit for each signature")
        var masks = signatures.map { Mask($0) }
        for index in masks.indices {
            let fields = masks[index].fields
            for (place, other) in masks.enumerated() where other.fields != fields && other.fields & ~fields == 0 {
                masks[index].contained |= 1 << UInt64(place)
            }
        }
        return masks
    }()

    /// The formats whose fields `row` has. One whose fields are among another's is left out, and so are demonstrations of a
    /// row that can be compared.
    static func candidates(_ row: JSONRow) -> [DataFormat] {
        var (found, contained, demonstrations): (UInt64, UInt64, UInt64) = (0, 0, 0)
        for (place, mask) in masks.enumerated() where mask.fits(row.known) {
            found |= 1 << UInt64(place)
            contained |= mask.contained
            if mask.isDemonstration { demonstrations |= 1 << UInt64(place) }
        }
        if found != demonstrations { found &= ~demonstrations }
        found &= ~contained
        var formats: [DataFormat] = []
        while found != 0 {
            let format = masks[found.trailingZeroBitCount].format
            if formats.last != format { formats.append(format) }
            found &= found - 1
        }
        return formats
    }

    /// Reads one row.
    func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        switch self {
        case .auto: preconditionFailure("the format must be decided before rows are read")
        case .pairs, .dahoas: try PairFormat.parse(row)
        case .hh: try DialogueFormat.parse(row)
        case .tldr: try SummaryFormat.parse(row)
        case .messages: try ChatFormat.parse(row)
        case .questions: try QuestionFormat.parse(row)
        case .lists: try ListFormat.parse(row)
        case .kto: try UnpairedFormat.parse(row)
        case .demonstrations: try UnpairedFormat.parse(row, isLabelled: false)
        case .alpaca: try InstructionFormat.parse(row)
        case .sharegpt: try ConversationFormat.parse(row)
        case .swift: try RejectedResponseFormat.parse(row)
        case .ultrafeedback, .nectar, .nemo: try RatedFormat.parse(row, self)
        case .helpsteer2, .helpsteer3, .saferlhf, .shp: try JudgedPairFormat.parse(row, self)
        }
    }
}

/// Comparisons byte by byte: Swift's own take "é" in two encodings for equal and "\r\n" for one character.
extension String {
    func hasSameBytes(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }

    func hasByteSuffix(_ suffix: String) -> Bool { utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) }

    func hasBytePrefix(_ prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

    /// Nothing but white space.
    var isBlank: Bool { unicodeScalars.allSatisfy(\.properties.isWhitespace) }
}
