/// A certificate for localhost and 127.0.0.1 that vouches for itself, from 2020 to 2120, and its key: for tests alone.
enum TestCertificate {
    static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBZzCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
        c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
        CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABN2JF5ajG2D3JaDE
        Xl60waCnoigMqG0RC48rmN0X+f7fIbovAb286cF/IO9Si33IuYo+hi/Cw9Mmes24
        GKBmnOajTjBMMA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMwEYIJbG9jYWxob3N0
        hwR/AAABMB0GA1UdDgQWBBQLihELgSkAkUlCHUYmZnvKxffMpTAKBggqhkjOPQQD
        AgNIADBFAiEA7ULD2wxd4zGNQ4vQy5j8PzmSU8QT/QlHhr8W0xCRmPkCIAEMfFq3
        m6OWlZiI6BB8dkYCFAkGpld15ahOStdQ3D2t
        -----END CERTIFICATE-----
        """
    static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgW60+QqbCupmYWV6g
        OsPBUd4lDGwdJAwLNknUL9J1feehRANCAATdiReWoxtg9yWgxF5etMGgp6IoDKht
        EQuPK5jdF/n+3yG6LwG9vOnBfyDvUot9yLmKPoYvwsPTJnrNuBigZpzm
        -----END PRIVATE KEY-----
        """
}
