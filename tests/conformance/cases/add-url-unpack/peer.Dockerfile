FROM busybox
ADD a.tar.gz /d/
