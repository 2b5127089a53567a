/// The small text that stands in the place of a file whose content Git LFS has not fetched.
package enum GitLFSPointer {
    package static let what = "a Git LFS pointer, not the file itself"
    package static let remedy = "run `git lfs pull` in its directory"
    /// Every pointer begins so: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md.
    private static let start = Array("version https://git-lfs".utf8)

    package static func isAt(startOf bytes: some Sequence<UInt8>) -> Bool { bytes.starts(with: start) }
}
