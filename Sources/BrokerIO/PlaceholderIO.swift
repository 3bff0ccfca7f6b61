// BrokerIO
