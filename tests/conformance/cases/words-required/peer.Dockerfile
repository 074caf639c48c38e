FROM busybox
ENV SET=value EMPTY= PATHLIKE=/a/b/c.tar.gz
ENV A=value B=
