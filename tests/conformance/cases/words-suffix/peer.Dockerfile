FROM busybox
ENV SET=value EMPTY= PATHLIKE=/a/b/c.tar.gz
ENV A=/a/b/c.tar B=/a/b/c C=/a/b/c.tar.gz D=
