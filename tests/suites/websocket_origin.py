"""A WebSocket echo origin, on Autobahn for Python 2.7: what the suite brings along.

No URL for the factory: with one it checks the port in `Host`, and a proxy passes on the client's.
A failed connection is closed by a handshake, not dropped: a reset may overtake the echo before it,
and the suite then tells less.
"""

import sys

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept
from twisted.internet import reactor


class Echo(WebSocketServerProtocol):
    """Sends back what it gets."""

    def onMessage(self, payload, isBinary):
        """Called by Autobahn."""
        self.sendMessage(payload, isBinary)


def accept(offers):
    """Takes the first offer of compression."""
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(offer)
    return None


def main():
    """Serves on the port that is named."""
    factory = WebSocketServerFactory()
    factory.protocol = Echo
    factory.setProtocolOptions(failByDrop=False, perMessageCompressionAccept=accept)
    reactor.listenTCP(int(sys.argv[1]), factory, interface="127.0.0.1")
    reactor.run()


main()
