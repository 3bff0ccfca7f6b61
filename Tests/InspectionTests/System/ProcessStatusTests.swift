import Inspection
import Testing

@Suite struct ProcessStatusTests {
    @Test("Name, real uid, no_new_privs and bounding set are read; the rest is left")
    func status() {
        let text = """
            Name:\tsmtp source
            State:\tS (sleeping)
            Uid:\t62525\t0\t0\t0
            CapEff:\t0000000000000000
            CapBnd:\t000001ffffffffff
            NoNewPrivs:\t1
            Seccomp:\t0
            """
        let status = ProcessStatus(reading: Array(text.utf8))
        #expect(status.name == "smtp source")
        #expect(status.uid == 62525)
        #expect(status.boundingSet == 0x1FF_FFFF_FFFF)
        #expect(status.hasNoNewPrivileges == true)
    }

    @Test("What is not there, or no number, is not known")
    func unknown() {
        for text in ["", "Uid:\nCapBnd:\nNoNewPrivs:\n", "Uid:\tx\nCapBnd:\txyz\nNoNewPrivs:\t2\n", "Uid 1\n"] {
            let status = ProcessStatus(reading: Array(text.utf8))
            #expect(status.name == nil && status.uid == nil)
            #expect(status.boundingSet == nil && status.hasNoNewPrivileges == nil)
        }
    }
}
