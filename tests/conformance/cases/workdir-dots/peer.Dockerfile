FROM busybox
WORKDIR /d/f
RUN pwd > /2
