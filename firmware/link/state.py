"""What a session knows from one request to the next. HELLO clears it, and so does its end."""


class State:
    # upload: None, or what is open and has close(); verified, tested: names, since HELLO
    def __init__(self):
        self.upload = None
        self.verified = set()
        self.tested = set()

    def clear(self):
        upload = self.upload
        self.__init__()
        if upload:
            try:
                upload.close()
            except OSError:  # what is in the file has no name yet that anybody relies on
                pass
