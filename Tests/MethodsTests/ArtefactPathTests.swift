import Foundation
import Testing

@testable import Methods

@Suite struct ArtefactPathTests {
    @Test(arguments: [
        ("/a/reference.h5", "/a/reference-test.h5", "/a/reference-test-kto.h5"),
        ("/a.b/reference", "/a.b/reference-test", "/a.b/reference-test-kto"),
        ("/a/x.y.h5", "/a/x.y-test.h5", "/a/x.y-test-kto.h5"),
    ]) func markStandsBeforeTheExtension(_ path: String, _ test: String, _ mismatched: String) {
        let file = ArtefactPath(path)
        #expect(file.of(.training) == file)
        #expect(file.of(.heldOut).path == test)
        #expect(file.of(.heldOut).mismatched.path == mismatched)
    }
}
