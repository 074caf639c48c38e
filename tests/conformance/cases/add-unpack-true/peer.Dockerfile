FROM busybox
ADD a.tar /d/
