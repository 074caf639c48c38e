FROM busybox
ADD file /1/
ADD a.tar /2/
