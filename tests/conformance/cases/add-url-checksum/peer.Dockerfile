FROM busybox
ADD @HTTP@/file.txt /out
