import Testing

/// What clients notice of apps that die, holders that spoil and ports that come: Broker/load.py.
@Suite("BrokerLoadTests", .enabled(if: World.isHere && BrokerTrial.isHere, Comment(rawValue: World.reason)))
struct BrokerLoadTests {
    private func trial(_ name: String) throws { try BrokerTrial.run("load.py", name) }

    @Test("A new port comes live while another carries load; no connection is refused")
    func aNewPortWhileTheOtherCarriesLoad() throws { try self.trial("a_new_port_while_the_other_carries_load") }

    @Test("20 kill -9 of an app under load: none refused")
    func anAppKilledTwentyTimes() throws { try self.trial("an_app_killed_twenty_times") }

    @Test("A listener that a holder shut down is healed within 50 ms")
    func spoiltByShutdown() throws { try self.trial("spoilt_by_shutdown") }

    @Test("A listener that a holder connected to nowhere is healed within 1.1 s")
    func spoiltByConnectingNowhere() throws { try self.trial("spoilt_by_connecting_nowhere") }

    @Test("A listener that a holder connected elsewhere is healed within 1.1 s")
    func spoiltByConnectingElsewhere() throws { try self.trial("spoilt_by_connecting_elsewhere") }

    @Test("A backlog that a holder shrank is set again within 1.1 s")
    func spoiltByABacklogOfNothing() throws { try self.trial("spoilt_by_a_backlog_of_nothing") }

    @Test("A UDP socket that a holder connected hears everybody again within 1.1 s")
    func spoiltUdp() throws { try self.trial("spoilt_udp") }

    @Test("A UDP socket is of its own device again within 1.5 s")
    func spoiltDevices() throws { try self.trial("spoilt_devices") }

    @Test("A listener on * that a holder made an IPv4 one is said to be spoiled")
    func spoiltByAnotherFamily() throws { try self.trial("spoilt_by_another_family") }

    @Test("A UDP socket that a holder shut down is said to be spoiled, once")
    func spoiltForGood() throws { try self.trial("spoilt_for_good") }

    @Test("A holder that spoils without a pause neither uses the broker up nor keeps the port")
    func spoiltWithoutAPause() throws { try self.trial("spoilt_without_a_pause") }

    @Test("A socket that hangs up for ever is no reason to spin")
    func anErrorThatStays() throws { try self.trial("an_error_that_stays") }

    @Test("What a holder set that keeps clients out ends with the last lease")
    func whatAHolderSetEndsWithItsLease() throws { try self.trial("what_a_holder_set_ends_with_its_lease") }

    @Test("No holder can put a filter on a listener")
    func aFilterCannotBePutOn() throws { try self.trial("a_filter_cannot_be_put_on") }

    @Test("A listener that nobody holds is warned about after 30 s")
    func nobodyHoldsIt() throws { try self.trial("nobody_holds_it") }

    @Test("64 names take less than 1 MiB of private memory")
    func memoryAndSpeed() throws { try self.trial("memory_and_speed") }
}
