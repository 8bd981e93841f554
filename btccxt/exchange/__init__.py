"""What an exchange is: the interface, its profile, its ccxt implementation, its paper twin."""
