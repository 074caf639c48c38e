FROM busybox
ENV SET=value EMPTY= PATHLIKE=/a/b/c.tar.gz
ENV A1=value A2= A3=w
ENV B1=w B2=w B3=
