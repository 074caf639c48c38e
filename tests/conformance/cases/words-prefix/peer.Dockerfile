FROM busybox
ENV SET=value EMPTY= PATHLIKE=/a/b/c.tar.gz
ENV A=a/b/c.tar.gz B=c.tar.gz C=/a/b/c.tar.gz D=/b/c.tar.gz
