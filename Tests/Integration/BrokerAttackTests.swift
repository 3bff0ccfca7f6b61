import Testing

/// What peers try against the broker: Broker/attacks.py.
@Suite("BrokerAttackTests", .enabled(if: World.isHere && BrokerTrial.isHere, Comment(rawValue: World.reason)))
struct BrokerAttackTests {
    private func trial(_ name: String) throws { try BrokerTrial.run("attacks.py", name) }

    @Test("Broker: a packet that is not PB1 is refused by its code, or ends its connection")
    func malformedPackets() throws { try self.trial("malformed_packets") }

    @Test("Broker: descriptors that nobody wants are kept off, or closed")
    func descriptorsWhereNoneBelong() throws { try self.trial("descriptors_where_none_belong") }

    @Test("Broker: 64 peers that say nothing lock nobody out")
    func idlePeers64() throws { try self.trial("idle_peers_64") }

    @Test("Broker: 1,000 peers that say nothing lock nobody out")
    func idlePeers1000() throws { try self.trial("idle_peers_1000") }

    @Test("Broker: idle peers of 64 uids lock nobody out")
    func idlePeersOfManyUids() throws { try self.trial("idle_peers_of_many_uids") }

    @Test("Broker: a peer without a request is gone after 2 s")
    func aSilentPeerIsGoneAfterTwoSeconds() throws { try self.trial("a_silent_peer_is_gone_after_two_seconds") }

    @Test("Broker: a uid that connects without a pause stops no other")
    func tenThousandConnectsASecond() throws { try self.trial("ten_thousand_connects_a_second") }

    @Test("Broker: grants that nobody reads are bounded for each uid")
    func peersThatNeverRead() throws { try self.trial("peers_that_never_read") }

    @Test("Broker: grants pile up neither unread on one connection nor for those that waited")
    func grantsPiledUp() throws { try self.trial("grants_piled_up") }

    @Test("Broker: a grant that cannot be sent ends no lease")
    func aFailedGrantEndsNoLease() throws { try self.trial("a_failed_grant_ends_no_lease") }

    @Test("Broker: a socket that lingers when it is closed stops nobody")
    func aCloseThatLingers() throws { try self.trial("a_close_that_lingers") }

    @Test("Broker: who waits over a reload gets no more than the new policy gives")
    func whoWaitsOverAReload() throws { try self.trial("who_waits_over_a_reload") }

    @Test("Broker: ETOOMANYREFS is an answer, not the end")
    func descriptorsInFlightRunOut() throws { try self.trial("descriptors_in_flight_run_out") }

    @Test("Broker: EMFILE at accept is an answer, not the end")
    func noDescriptorLeft() throws { try self.trial("no_descriptor_left") }

    @Test("Broker: a connection is of no use to another uid, whoever made it; nor is a set-id program a front")
    func aConnectionPassedOn() throws { try self.trial("a_connection_passed_on") }

    @Test("Broker: SCM_CREDENTIALS cannot be faked")
    func aFakedSender() throws { try self.trial("a_faked_sender") }

    @Test("Broker: a peer that is killed at any step leaves nothing behind")
    func peersThatDieAtEveryStep() throws { try self.trial("peers_that_die_at_every_step") }

    @Test("Broker: its own uid can neither trace it nor take its descriptors; it has no capability")
    func nobodyTracesTheBroker() throws { try self.trial("nobody_traces_the_broker") }

    @Test("Broker: it keeps some system calls and two folders to read")
    func theSandboxHolds() throws { try self.trial("the_sandbox_holds") }

    @Test("Binder: --store gives a listener to nobody but the user postern-broker")
    func aBinderStoresWithNoFalseBroker() throws { try self.trial("a_binder_stores_with_no_false_broker") }
}
