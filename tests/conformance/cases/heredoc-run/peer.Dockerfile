FROM busybox
RUN echo one > /out; cd /tmp; pwd >> /out
