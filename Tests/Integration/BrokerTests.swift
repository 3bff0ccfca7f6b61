import Testing

/// The broker, verb by verb, as the trials in Broker/functions.py try it.
@Suite("BrokerTests", .works, .enabled(if: World.isHere && BrokerTrial.isHere, Comment(rawValue: World.reason)))
struct BrokerTests {
    private func trial(_ name: String) throws { try BrokerTrial.run("functions.py", name) }

    @Test("HELLO, GET, STAT, LIST, RELEASE and DROP answer to the letter")
    func everythingByOneUser() throws { try self.trial("everything_by_one_user") }

    @Test("A GET of several names gives all of them or none")
    func severalNamesAllOrNone() throws { try self.trial("several_names_all_or_none") }

    @Test("Rights go by uid, gid and supplementary group; nobody has one by default, root included")
    func rights() throws { try self.trial("rights") }

    @Test("An exclusive name is one connection's; who waits is served in order")
    func exclusiveAndWaiting() throws { try self.trial("exclusive_and_waiting") }

    @Test("A program that starts before its listener was stored gets it when it comes")
    func waitingForAListener() throws { try self.trial("waiting_for_a_listener") }

    @Test("A lease lasts as long as any copy of its connection, through fork and exec")
    func aLeaseIsItsConnection() throws { try self.trial("a_lease_is_its_connection") }

    @Test("A stored descriptor is checked against its line in every respect")
    func storesThatFitAndThatDoNot() throws { try self.trial("stores_that_fit_and_that_do_not") }

    @Test("What was dropped can be stored again")
    func replacing() throws { try self.trial("replacing") }

    @Test("Connections whose lease a DROP ended make room")
    func aDropMakesRoom() throws { try self.trial("a_drop_makes_room") }

    @Test("A listener of another network namespace is refused")
    func anotherNetworkIsRefused() throws { try self.trial("another_network_is_refused") }

    @Test("A reload changes rights, keeps listeners, and closes a name that is gone")
    func reloadChangesRightsAndKeepsListeners() throws { try self.trial("reload_changes_rights_and_keeps_listeners") }

    @Test("A line that changes closes its own socket and no other")
    func aLineThatChangesIsClosed() throws { try self.trial("a_line_that_changes_is_closed") }

    @Test("A list of 512 sockets comes in parts")
    func aLongListComesInParts() throws { try self.trial("a_long_list_comes_in_parts") }

    @Test("A stale control socket is replaced; a live one, a link or an open folder is not touched")
    func theControlSocket() throws { try self.trial("the_control_socket") }

    @Test("What leaks in from whoever started it is closed")
    func whatLeaksInIsClosed() throws { try self.trial("what_leaks_in_is_closed") }

    @Test("The log has a line a decision, and a flood of refusals does not flood it")
    func whoMayNotAndWhatTheLogSays() throws { try self.trial("who_may_not_and_what_the_log_says") }

    @Test("A log that nobody reads stops nobody")
    func aLogThatNobodyReads() throws { try self.trial("a_log_that_nobody_reads") }
}
