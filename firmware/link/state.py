"""What a session knows from one request to the next. HELLO clears it, and so does its end."""


class State:
    # upload: None, or what is open and has close()
    # verified: slot, version, size and SHA-256 by name; tested: names, both since HELLO
    def __init__(self):
        self.upload = None
        self.verified = {}
        self.tested = set()

    def clear(self):
        self.stop()
        self.__init__()

    def stop(self):
        upload = self.upload
        self.upload = None
        if upload:
            try:
                upload.close()
            except OSError:  # what is in the file has no name yet that anybody relies on
                pass

    def forget(self, name):
        self.verified.pop(name, None)
        self.tested.discard(name)
