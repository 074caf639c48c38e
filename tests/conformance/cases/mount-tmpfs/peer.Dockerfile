FROM busybox
RUN echo x > /1 && echo tmpfs > /2
RUN echo full > /3
RUN echo gone > /4
