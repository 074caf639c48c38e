FROM busybox
ENV SET=value EMPTY= PATHLIKE=/a/b/c.tar.gz
ENV A=/x/b/c.tar.gz B=-a-b-c.tar.gz C=/a/b/c D=/a/_/_.tar.gz
