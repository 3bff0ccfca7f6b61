import Testing

/// The broker under a service manager: Broker/manager.py.
@Suite("BrokerManagerTests", .works, .enabled(if: World.isHere && BrokerTrial.isHere, Comment(rawValue: World.reason)))
struct BrokerManagerTests {
    private func trial(_ name: String) throws { try BrokerTrial.run("manager.py", name) }

    @Test("READY, RELOADING, STATUS and STOPPING come when they should")
    func readyAndStatus() throws { try self.trial("ready_and_status") }

    @Test("The watchdog is fed, if it is ours")
    func theWatchdogIsFed() throws { try self.trial("the_watchdog_is_fed") }

    @Test("A STORE is answered once the manager has the socket")
    func aStoreIsAnsweredWhenTheManagerHasIt() throws { try self.trial("a_store_is_answered_when_the_manager_has_it") }

    @Test("kill -9 of the broker with leases out: the same listeners, none refused")
    func killedAndStartedAgain() throws { try self.trial("killed_and_started_again") }

    @Test("After a restart an exclusive name is kept for its holder for 2 s")
    func anExclusiveNameIsKeptForItsHolder() throws { try self.trial("an_exclusive_name_is_kept_for_its_holder") }

    @Test("After a start nobody is missed for 30 s")
    func nobodyIsMissedAtTheStart() throws { try self.trial("nobody_is_missed_at_the_start") }

    @Test("What comes back from the store is healed, checked and compared")
    func whatComesBackIsChecked() throws { try self.trial("what_comes_back_is_checked") }

    @Test("A broken policy at a restart lets no port go, and gives none")
    func aBrokenPolicyAtTheStartLetsNoPortGo() throws { try self.trial("a_broken_policy_at_the_start_lets_no_port_go") }

    @Test("What is dropped leaves the manager's store, too")
    func droppedMeansDropped() throws { try self.trial("dropped_means_dropped") }

    @Test("The control socket can be the manager's; who asks early waits")
    func aControlSocketFromTheManager() throws { try self.trial("a_control_socket_from_the_manager") }
}
