FROM busybox
RUN mkdir /real && ln -s real /link
RUN rm /link && mkdir /link
COPY file /link/file
