"""A named pipe that is a connection to a port of the same host."""
import socket
import threading


def opener(port):
    """Makes the function that serves an open of the pipe."""
    def serve(stream):
        with socket.create_connection(("127.0.0.1", port)) as c:
            def back():
                while data := c.recv(16384):
                    stream.send(data)
                stream.close()
            threading.Thread(target=back, daemon=True).start()
            while data := stream.receive():
                c.sendall(data)
            try:
                c.shutdown(socket.SHUT_RDWR)  # or the thread would hold it open
            except OSError:
                pass  # its other end was first
    return serve
