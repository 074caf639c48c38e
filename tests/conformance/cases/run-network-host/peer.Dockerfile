FROM busybox
RUN echo h > /1
RUN echo d > /2
