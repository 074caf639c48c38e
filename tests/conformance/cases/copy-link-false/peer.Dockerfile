FROM busybox
RUN mkdir /real && ln -s real /link
COPY file /link/
