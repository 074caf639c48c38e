FROM busybox
ENV PATHLIKE=/a/b/c.tar.gz
ENV A=/x/b/c.tar.gz B=-a-b-c.tar.gz C=/a/b/c D=/a/b/c.tar.gz
