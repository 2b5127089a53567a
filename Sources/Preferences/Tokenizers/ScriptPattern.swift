import Coding

/// The pattern of `UnicodeScripts`: runs of one script. Spaces and characters without a script go with what is before
/// them; Hiragana and Katakana count as Han.
enum ScriptPattern {
    static func pattern(for field: JSONField) throws -> TextPattern {
        let han = ["\\p{Han}\\p{Hiragana}\\p{Katakana}ー"]
        let runs = (han + scripts.map { "\\p{\($0)}" }).map { "(?! )[\($0)][\($0)\\p{Unknown} ]*" }
        return try .implied(runs.joined(separator: "|"), by: field)
    }

    /// Those of Unicode 12, frequent ones first.
    private static let scripts = [
        "Latin", "Common", "Cyrillic", "Arabic", "Hangul", "Greek", "Hebrew", "Devanagari", "Thai", "Inherited",
        "Bengali",
        "Tamil", "Telugu", "Gujarati", "Gurmukhi", "Kannada", "Malayalam", "Oriya", "Sinhala", "Lao", "Myanmar",
        "Khmer",
        "Georgian", "Armenian", "Ethiopic", "Tibetan", "Mongolian", "Bopomofo", "Yi", "Adlam", "Ahom",
        "Anatolian_Hieroglyphs", "Avestan", "Balinese", "Bamum", "Bassa_Vah", "Batak", "Bhaiksuki", "Brahmi", "Braille",
        "Buginese", "Buhid", "Canadian_Aboriginal", "Carian", "Caucasian_Albanian", "Chakma", "Cham", "Cherokee",
        "Coptic",
        "Cuneiform", "Cypriot", "Deseret", "Dogra", "Duployan", "Egyptian_Hieroglyphs", "Elbasan", "Elymaic",
        "Glagolitic",
        "Gothic", "Grantha", "Gunjala_Gondi", "Hanifi_Rohingya", "Hanunoo", "Hatran", "Imperial_Aramaic",
        "Inscriptional_Pahlavi", "Inscriptional_Parthian", "Javanese", "Kaithi", "Kayah_Li", "Kharoshthi", "Khojki",
        "Khudawadi", "Lepcha", "Limbu", "Linear_A", "Linear_B", "Lisu", "Lycian", "Lydian", "Mahajani", "Makasar",
        "Mandaic", "Manichaean", "Marchen", "Masaram_Gondi", "Medefaidrin", "Meetei_Mayek", "Mende_Kikakui",
        "Meroitic_Cursive", "Meroitic_Hieroglyphs", "Miao", "Modi", "Mro", "Multani", "Nabataean", "Nandinagari",
        "New_Tai_Lue", "Newa", "Nko", "Nushu", "Nyiakeng_Puachue_Hmong", "Ogham", "Ol_Chiki", "Old_Hungarian",
        "Old_Italic", "Old_North_Arabian", "Old_Permic", "Old_Persian", "Old_Sogdian", "Old_South_Arabian",
        "Old_Turkic",
        "Osage", "Osmanya", "Pahawh_Hmong", "Palmyrene", "Pau_Cin_Hau", "Phags_Pa", "Phoenician", "Psalter_Pahlavi",
        "Rejang", "Runic", "Samaritan", "Saurashtra", "Sharada", "Shavian", "Siddham", "SignWriting", "Sogdian",
        "Sora_Sompeng", "Soyombo", "Sundanese", "Syloti_Nagri", "Syriac", "Tagalog", "Tagbanwa", "Tai_Le", "Tai_Tham",
        "Tai_Viet", "Takri", "Tangut", "Thaana", "Tifinagh", "Tirhuta", "Ugaritic", "Vai", "Wancho", "Warang_Citi",
        "Zanabazar_Square",
    ]
}
